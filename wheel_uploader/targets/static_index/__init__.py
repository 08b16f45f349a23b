"""Static indexes: a folder or bucket with files and the pages that list them (PEP 503, 658, 691).

``target.py`` is the place to start reading. ``html_pages.py`` and ``json_pages.py`` edit the text of pages,
``pages.py`` reads them, ``layout.py`` knows where files and pages are, and ``object_store.py`` is what the
three stores (``folder.py``, ``s3.py``, ``gcs.py``) have in common.
"""
