"""The base of all other packages: errors, console, files, configs, downloads, cards, old names and the
version. Nothing here imports torch at its start."""
