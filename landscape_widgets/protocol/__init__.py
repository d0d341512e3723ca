"""The one declaration of every message between kernel and page."""
