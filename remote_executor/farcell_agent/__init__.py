"""The program on a GPU host: it knows the devices, decides how a worker is started, and stands between
executor and keeper. It runs inside the embedded executor, or by itself and dials in.
"""
