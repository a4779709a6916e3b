"""The explorer: a local web page with live sliders, drawing, photographs, a map and morphs of a space. The
server keeps no state of a user but the open photograph; the page in web/ keeps all else."""
