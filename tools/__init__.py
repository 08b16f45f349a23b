"""Programs and modules for the development of wheel-uploader."""
