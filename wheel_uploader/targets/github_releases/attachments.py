"""The assets that accompany wheels and sdists: signatures, attestations, SHA256SUMS and its signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from wheel_uploader.core.progress import Progress
from wheel_uploader.targets.github_releases import checksums
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.assets import AssetContent, ReleaseAssets
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.release_json import Asset
from wheel_uploader.targets.protocol import Release
from wheel_uploader.wheelhouse.wheelhouse import format_checksums


@dataclass(slots=True, kw_only=True)
class Attachments:
    """Uploads the assets that accompany the files of a release; existing ones of a published one are kept."""

    api: ReleaseApi
    assets: ReleaseAssets
    attempts: Attempts
    progress: Progress
    #: The contents that the release has from this run, or equal ones.
    attached: list[AssetContent] = field(default_factory=list)

    def upload(self, release: Release) -> list[AssetContent]:
        """Upload the attachments of a release whose files are there, and return them. Raises ReleaseError."""
        self.assets.refresh()
        for content in _list_attachments(release):
            self._attach(content)
        listed_sha256 = self._put_checksums({file.filename: file.sha256 for file in release.files})
        self._attach_list_signature(release, listed_sha256)
        return self.attached

    def _attach(self, content: AssetContent) -> None:
        """Upload a small file, unless the release has one of this name."""
        self.assets.ensure(content, self.attempts)
        asset = self.assets.find(content.name)
        sha256 = self.assets.get_sha256(asset) if asset else ""
        if sha256 == content.sha256:
            self.attached.append(content)
        else:
            # A signature of the same file differs each time it is made.
            self.progress.info(
                f"{content.name}: the release has another one already, which was not changed; its sha256 is "
                f"{sha256}, not {content.sha256}"
            )

    # --- SHA256SUMS ------------------------------------------------------------------------------------

    def _put_checksums(self, hashes: Mapping[str, str]) -> str:
        """Upload the list of the files, or complete that of a draft; return the sha256 of the list."""
        finished = {asset.name: asset for asset in self.assets.refresh()}
        existing = finished.get(checksums.NAME)
        listed = self._read_list(existing)
        if existing and hashes.items() <= listed.items():
            return self.assets.get_sha256(existing)
        if existing and not self.assets.release.is_draft:
            self.progress.info(
                f"{checksums.NAME} of the published release does not list all of these files with their "
                "sha256; it was not changed"
            )
            return self.assets.get_sha256(existing)
        kept = {name: sha256 for name, sha256 in listed.items() if name in finished}
        content = AssetContent.from_bytes(checksums.NAME, checksums.build({**kept, **hashes}))
        if existing:
            self._remove_list(existing, finished.get(checksums.SIGNATURE_NAME))
        self.assets.ensure(content, self.attempts)
        self.attached.append(content)
        return content.sha256

    def _remove_list(self, existing: Asset, signature: Asset | None) -> None:
        """Delete the list of a draft, and its signature, which does not match the new one."""
        for outdated in filter(None, (signature, existing)):
            problem = self.assets.remove(outdated, "replaced by a list of all files of the draft")
            if problem:
                raise problem.to_error(outdated.name)

    def _read_list(self, asset: Asset | None) -> Mapping[str, str]:
        """Return what the list of the release says; nothing if it is not one."""
        if asset is None or asset.size is None or asset.size > checksums.MAX_SIZE:
            return {}
        return checksums.parse(self.api.fetch_text(asset.id, checksums.MAX_SIZE)) or {}

    def _attach_list_signature(self, release: Release, listed_sha256: str) -> None:
        """Upload the signature of the list if the release has the list that was signed."""
        signed_sha256 = hashlib.sha256(format_checksums(release.files)).hexdigest()
        for signature in release.signatures:
            if signature.filename == checksums.NAME and listed_sha256 == signed_sha256:
                self._attach(AssetContent.from_bytes(checksums.SIGNATURE_NAME, signature.content))


def _list_attachments(release: Release) -> list[AssetContent]:
    """Return the signatures and attestations of the wheels and sdists of a release."""
    named = {
        f"{entry.filename}.asc": entry.content
        for entry in release.signatures
        if entry.filename != checksums.NAME
    }
    named |= {entry.filename: entry.content for entry in release.attestations if not entry.malformed_reason}
    return [AssetContent.from_bytes(name, data) for name, data in named.items()]
