"""When a websocket that says nothing is taken for dead: the same on both sides of each."""

PING_S = 10.0
"""How long after the last word, or the last ping, a ping goes out."""

SILENCE_S = 20.0
"""How long a link may be silent. A library that pings by itself counts this from its ping."""
