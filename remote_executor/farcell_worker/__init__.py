"""What runs a user's code: a process tree with an ipykernel kernel in it, forked by a zygote or started fresh.

`zygote` and `__main__` are the two ways in; `launch` and `supervisor` make the process tree, `serve` does the work,
`kernel` and `fastpath` are the kernel, `exchange` is values in and out.
"""
