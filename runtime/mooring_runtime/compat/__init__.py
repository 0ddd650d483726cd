"""Other servers' import paths: `kserve` and `mlserver` files run on us unedited, without those packages installed.

Belongs here: the finder that maps names, the launcher that installs it, one package per server that re-exports our SDK
under that server's paths. Does not belong here: behaviour; a handler, a codec or a flag lives where our own SDK has it.
Nothing outside imports from here but the command line.
"""
