"""Builds the ONNX graphs that Impasto runs: VGG19 features, style-transfer loss and its gradient.

In the order in which an export uses them:

    sources/      weights files of several kinds -> one `Vgg19Weights`
    presets.py    which layers carry style and content
    operators.py  schemas of the program's own operators for the processor
    graph.py      a graph under construction; every node is typed and shaped as it is made
    vgg19.py      the trunk: image -> activations
    heads.py      activations -> Gram matrices, content features and their errors
    injection.py  errors -> gradients with respect to the activations
    backward.py   those gradients -> gradient with respect to the image
    cpu.py        trunk, heads and rules again, of the program's own operators
    models.py     the two complete graphs, put together from the parts above
    contract.py   names, metadata and operators that the program relies on
    storage.py    the shared weights file, the checks, and atomic writing
"""

__version__ = "0.1.0"
