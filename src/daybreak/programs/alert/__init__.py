"""What tells an alert to a webhook, as a process of its own: see `post.py`."""

from __future__ import annotations

import os

# Not imported here: what it needs is nothing that a keeper should have.
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "post.py")
# With this it ends where asking again is of no use.
REFUSED = 3
