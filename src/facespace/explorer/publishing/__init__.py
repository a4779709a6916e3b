"""A space as a static site: the explorer's page with files in the place of its server."""
