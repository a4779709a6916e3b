"""How many trainable parameters the model of each recipe has, so that recipes can be listed without torch. A
test compares the numbers with the models."""

PARAMETERS = {
    "lfw-mlp": 21_630_331,
    "celeba-gray-ae": 17_834_240,
    "celeba-gray-vae": 6_454_472,
    "celebamask-conv": 2_958_659,
    "celeba-conv-128": 2_649_299,
    "yearbook-ae": 1_169_039,
    "faces64": 5_030_723,
    "faces128": 5_128_694,
    "faces64-style": 3_801_535,
    "vq": 3_579_479,
    "vq2": 4_639_067,
    "hierarchical": 5_555_817,
    "hierarchical-large": 9_497_631,
    "hierarchical128": 5_626_403,
    "grow32": 5_613_980,
    "grow64": 5_703_719,
    "grow128": 5_726_702,
    "demo": 858_692,
}
