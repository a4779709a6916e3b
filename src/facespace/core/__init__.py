"""What every room stands on: error sentences, console, files, configs, downloads, cards and the version. No torch."""
