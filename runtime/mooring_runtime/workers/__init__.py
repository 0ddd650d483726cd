"""`--workers N`: one server of several processes, each with models, loop and listeners of its own, on the same ports.

    supervisor  holds the ports, starts the command line anew N times, replaces what dies, carries orders to all
        │  a socket pair each: lines of JSON (messages.py)
    member      the worker's side: beats, is told to load, asks to load everywhere

Here belongs what the processes tell each other. A worker serves by the code of a server that is alone, which knows of
the others only what `fleet.Fleet` says.
"""
