"""Runs a composite action as a runner of GitHub Actions does: expressions, steps in bash, outputs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_OUTPUT = re.compile(r"(?ms)^([\w-]+)(?:<<(\S+)\n(.*?\n?)\2|=(.*?))$")


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """The end of an action: the exit code of its last step, the printed text, and the outputs."""

    exit_code: int
    printed: str
    outputs: dict[str, str]


@dataclass(kw_only=True)
class ActionRunner:
    """A machine that runs an action; ``used_actions`` has the outputs of the actions that it uses."""

    action: Path
    workspace: Path
    temp: Path
    environment: Mapping[str, str]
    used_actions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def run(self, **inputs: str) -> ActionResult:
        """Run the steps until one fails. An input with ``-`` in its name is passed with ``_``."""
        definition = self.definition
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        if unknown := given.keys() - definition["inputs"].keys():
            raise ValueError(f"unknown inputs: {unknown}")
        values = {
            name: str(given.get(name, described["default"]))
            for name, described in definition["inputs"].items()
        }
        context = {f"inputs.{name}": value for name, value in values.items()}
        context["github.action_path"] = str(self.action.parent)
        exit_code, printed = 0, ""
        for step in definition["runs"]["steps"]:
            if "uses" in step:
                name = step["uses"].partition("@")[0]
                outputs: Mapping[str, str] = self.used_actions[name]
            else:
                exit_code, text, outputs = self._run_step(step, context)
                printed += text
            context |= {f"steps.{step['id']}.outputs.{name}": value for name, value in outputs.items()}
            if exit_code:
                break
        described = definition["outputs"].items()
        return ActionResult(
            exit_code=exit_code,
            printed=printed,
            outputs={name: evaluate(output["value"], context) for name, output in described},
        )

    @property
    def definition(self) -> dict[str, Any]:
        """The parsed action.yml."""
        definition: dict[str, Any] = yaml.safe_load(self.action.read_text(encoding="utf-8"))
        return definition

    def _run_step(
        self, step: Mapping[str, Any], context: Mapping[str, str]
    ) -> tuple[int, str, dict[str, str]]:
        """Run one step in bash; return its exit code, its text and its outputs."""
        assert step["shell"] == "bash"
        script, outputs = self.temp / f"{step['id']}.sh", self.temp / f"{step['id']}.outputs"
        script.write_text(evaluate(step["run"], context), encoding="utf-8")
        outputs.write_text("")
        variables = {name: evaluate(str(value), context) for name, value in step.get("env", {}).items()}
        runner = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(outputs), "RUNNER_TEMP": str(self.temp)}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace / evaluate(step.get("working-directory", "."), context),
            env={**os.environ, **self.environment, **runner, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        found = _OUTPUT.finditer(outputs.read_text(encoding="utf-8"))
        return done.returncode, done.stdout, {row[1]: (row[3] if row[2] else row[4]).strip() for row in found}


def evaluate(text: str, context: Mapping[str, str]) -> str:
    """Return ``text`` with each ``${{ NAME }}`` replaced; an output that was not set is empty."""

    def value(expression: re.Match[str]) -> str:
        name = expression[1]
        return context.get(name, "") if name.startswith("steps.") else context[name]

    return _EXPRESSION.sub(value, text)
