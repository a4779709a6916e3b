"""The renderer of synthetic faces: from factors to pictures. Independent of prepared sets."""
