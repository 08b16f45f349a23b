"""LIST: the staging places, and the selection of the files of the release."""
