"""A function over many inputs in other processes, of this machine or of a Dask cluster: where the work runs,
what becomes of a task whose worker dies, and the files and networks that workers need."""
