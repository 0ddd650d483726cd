"""Black-box tests on a real cluster: what a user does with kubectl, helm and curl, and what they then see.

Belongs here: the tests and the little that they share (kubectl, images, storage, manifests). Nothing of ours is
imported but the words of `mooring_api`; what is tested runs in images. `bench/` measures with the same parts.
"""
