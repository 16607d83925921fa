"""Builds the ONNX graphs that Impasto runs: VGG19 features, style-transfer loss and its gradient.

In the order in which an export uses them:

    sources/      weights files of several kinds -> one `Vgg19Weights`
    presets.py    which layers carry style and content
    operators.py  schemas of the program's own operators for the processor
    graph.py      a graph under construction; every node is typed and shaped as it is made
    vgg19.py      the trunk: image -> activations
    moments.py    activations -> sums over places, which add up over tiles and regions
    losses/       means -> the term of a style layer; a file for each style loss
    backward.py   reverse-mode rules: of the head by the means, of the trunk by the image
    head.py       sums, targets, weight -> term, and A and b, by which its gradient is injected
    injection.py  A and b, content targets, total variation -> gradients with respect to the activations
    models.py     the complete graphs, put together from the parts above
    lowering.py   a portable graph -> the same of the program's own operators
    contract.py   names, metadata and operators that the program relies on
    storage.py    the shared weights file, the checks, and atomic writing
"""

__version__ = "0.1.0"
