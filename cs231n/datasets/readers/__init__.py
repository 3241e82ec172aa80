"""Read data sets in their original formats, and say what is wrong with a damaged one.

Readers are told where a data set lies. Only SqueezeNet's weights are looked for here:
generated data are made with the network, too.
"""
