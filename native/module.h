/* What the files of the Python glue share. Only module*.c includes this. */
#ifndef WALRUS_MODULE_H
#define WALRUS_MODULE_H

#include <Python.h>

/* module_error.c: sets the exception for an errno (MemoryError for ENOMEM, else OSError) and returns NULL. */
PyObject *wf_raise(int error);

/* module_batch.c: the functions over many files; ends with an empty entry. */
extern PyMethodDef wf_batch_methods[];

/* module_replay.c: a new ManifestReplay type for this module. */
PyObject *wf_new_replay_type(PyObject *module);

#endif
