#include "module.h"

#include <errno.h>

PyObject *wf_raise(int error)
{
    if (error == ENOMEM)
        return PyErr_NoMemory();
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}
