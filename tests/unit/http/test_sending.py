"""Test requests that change something: each is sent once, and its response is returned as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.testing.scripted import RESET, Request, ScriptedServer, Step, answer
from wheel_uploader.core.errors import TransportError, UsageError
from wheel_uploader.http.client import HttpClient


@pytest.mark.parametrize("status", [200, 201, 204, 302, 401, 403, 404, 422, 500, 503])
def test_response_is_returned_whatever_its_status(status: int) -> None:
    page = answer(status, b"{}", {"Location": "/elsewhere", "X-Words": "yes"})
    with ScriptedServer([page]) as server, HttpClient(user_urls=[server.url]) as http:
        response = http.send("POST", f"{server.url}a", content=b"body")
    assert response.status == status
    assert response.headers["x-words"] == "yes"
    # Neither repeated, nor sent to where a redirect points.
    assert [f"{request.method} {request.target}" for request in server.requests] == ["POST /a"]


def test_lost_answer_is_an_error_and_the_request_is_not_repeated() -> None:
    with ScriptedServer([RESET]) as server, HttpClient(user_urls=[server.url]) as http:
        with pytest.raises(TransportError):
            http.send("DELETE", f"{server.url}a")
        assert len(server.requests) == 1


def test_pieces_are_sent_with_their_length_and_not_chunked() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"ab"
        yield b"cde"

    with ScriptedServer([answer(201)]) as server, HttpClient(user_urls=[server.url]) as http:
        http.send("POST", server.url, content=pieces(), size=5)
    headers = server.requests[0].headers
    assert headers["content-length"] == "5"
    assert "transfer-encoding" not in headers


def test_headers_of_a_prefix_are_sent_to_its_origin_only() -> None:
    def respond(_: Request) -> list[Step]:
        return [answer(200)]

    with (
        ScriptedServer(respond) as ours,
        ScriptedServer(respond) as other,
        HttpClient(user_urls=[ours.url, other.url]) as http,
    ):
        http.add_headers(f"{ours.url}api/", {"Authorization": "Bearer secret"})
        http.send("PATCH", f"{ours.url}api/1", content=b"{}")
        http.send("PATCH", f"{ours.url}pages/1", content=b"{}")
        http.send("PATCH", f"{other.url}api/1", content=b"{}")
    sent = [request.headers.get("authorization") for request in (*ours.requests, *other.requests)]
    assert sent == ["Bearer secret", None, None]


def test_nothing_is_sent_to_a_host_without_encryption() -> None:
    with (
        HttpClient(user_urls=["http://files.example/"]) as http,
        pytest.raises(UsageError, match="it is http, not https"),
    ):
        http.send("POST", "http://files.example/a", content=b"body")
