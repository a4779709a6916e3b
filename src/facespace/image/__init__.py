"""Pixels: reading photographs, converting, cropping, and laying pictures out. No models live here."""
