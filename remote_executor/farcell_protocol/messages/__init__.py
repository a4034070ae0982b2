"""The messages of each link, one module per pair of parties.

`api` client and executor; `cells` what a worker executes (opaque to everyone between);
`link` executor and agent; `keeping` agent and keeper; `work` keeper, zygote and worker.

`Tell` in `api`, `keeping` and `work` is one thing on three hops, so all of them are called `tell` on the wire; each has
what its hop needs to find the run.
"""
