"""The messages of each link, one module per pair of parties.

`api` client and executor; `cells` what a worker executes (opaque to everyone between);
`link` executor and agent; `keeping` agent and keeper; `work` keeper, zygote and worker.
"""
