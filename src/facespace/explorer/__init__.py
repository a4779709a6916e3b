"""The local web page on which a space is explored: live sliders, live drawing, photographs, a map, morphs. The server is
here and holds no state of a person; the page is in web/ and holds all of it."""
