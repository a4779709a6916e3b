"""Spaces and published pages on the Hugging Face hub: what is sent, its model card, and the sending. Fetching
is models/hub_download.py."""
