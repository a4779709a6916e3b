"""Frozen networks that look at faces: attribute classifiers, Inception, LPIPS, ArcFace, VGG-16, dlib's
ResNet, EfficientNet."""
