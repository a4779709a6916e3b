"""Diagrams for people who learn: a network layer by layer, and drawings of the ideas. Plain numbers and
pictures in, matplotlib figures out; knows nothing of models or sets."""
