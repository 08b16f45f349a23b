"""``python -m wheel_uploader`` and the ``wheel-uploader`` command."""

from __future__ import annotations

from wheel_uploader.cli import main

if __name__ == "__main__":
    main()
