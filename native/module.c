#include "module.h"

#include "walrus_native.h"

#include <errno.h>
#include <unistd.h>

static PyObject *scan_wal(PyObject *module, PyObject *args)
{
    (void)module;
    int fd;
    unsigned long long log_number;
    long long limit = -1;
    PyObject *number;
    if (!PyArg_ParseTuple(args, "iO!|L:scan_wal", &fd, &PyLong_Type, &number, &limit))
        return NULL;
    log_number = PyLong_AsUnsignedLongLong(number); /* "K" would accept a negative one */
    if (log_number == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    struct wf_wal wal;
    int error;
    Py_BEGIN_ALLOW_THREADS error = wf_wal_scan(fd, log_number, limit, &wal);
    Py_END_ALLOW_THREADS if (error != 0) return wf_raise(error);
    PyObject *last = wal.has_sequence ? PyLong_FromUnsignedLongLong(wal.last_sequence) : PyLong_FromLong(-1);
    if (last == NULL)
        return NULL;
    return Py_BuildValue("(KKNii)", (unsigned long long)wal.complete, (unsigned long long)wal.batches, last, wal.state,
                         wal.flags);
}

static PyObject *exchange(PyObject *module, PyObject *args)
{
    (void)module;
    int from_dir, to_dir, error;
    PyObject *from, *to;
    if (!PyArg_ParseTuple(args, "iO&iO&:exchange", &from_dir, PyUnicode_FSConverter, &from, &to_dir,
                          PyUnicode_FSConverter, &to))
        return NULL;
    const char *from_name = PyBytes_AsString(from), *to_name = PyBytes_AsString(to);
    Py_BEGIN_ALLOW_THREADS error = wf_exchange(from_dir, from_name, to_dir, to_name);
    Py_END_ALLOW_THREADS Py_DECREF(from);
    Py_DECREF(to);
    if (error != 0)
        return wf_raise(error);
    Py_RETURN_NONE;
}

static PyObject *lower_priority(PyObject *module, PyObject *args)
{
    (void)module;
    int nice_value, io_class, io_level;
    if (!PyArg_ParseTuple(args, "iii:lower_priority", &nice_value, &io_class, &io_level))
        return NULL;
    int error = wf_lower_priority(nice_value, io_class, io_level);
    if (error != 0)
        return wf_raise(error);
    Py_RETURN_NONE;
}

static PyObject *resident_pages(PyObject *module, PyObject *args)
{
    (void)module;
    int fd, error;
    unsigned long long offset;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "iKn:resident_pages", &fd, &offset, &length))
        return NULL;
    Py_ssize_t page = (Py_ssize_t)sysconf(_SC_PAGESIZE);
    if (length <= 0 || offset % (unsigned long long)page != 0)
        return wf_raise(EINVAL);
    PyObject *pages = PyBytes_FromStringAndSize(NULL, length / page + (length % page != 0));
    if (pages == NULL)
        return NULL;
    uint8_t *bytes = (uint8_t *)PyBytes_AsString(pages);
    Py_BEGIN_ALLOW_THREADS error = wf_resident_pages(fd, offset, (size_t)length, bytes);
    Py_END_ALLOW_THREADS if (error != 0)
    {
        Py_DECREF(pages);
        return wf_raise(error);
    }
    return pages;
}

/* For the tests, which compare the kernels. */
static PyObject *crc32c(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *data;
    int kernel = -1;
    if (!PyArg_ParseTuple(args, "O!|i:_crc32c", &PyBytes_Type, &data, &kernel))
        return NULL;
    if (kernel != -1 && !wf_crc32c_available(kernel)) {
        PyErr_SetString(PyExc_ValueError, "this machine has no such kernel");
        return NULL;
    }
    const uint8_t *bytes = (const uint8_t *)PyBytes_AsString(data);
    size_t length = (size_t)PyBytes_Size(data);
    return PyLong_FromUnsignedLong(kernel == -1 ? wf_crc32c(0, bytes, length)
                                                : wf_crc32c_with(kernel, 0, bytes, length));
}

static PyMethodDef methods[] = {
    {"scan_wal", scan_wal, METH_VARARGS, PyDoc_STR("scan_wal(fd, log_number, limit=-1, /)")},
    {"exchange", exchange, METH_VARARGS, PyDoc_STR("exchange(src_dirfd, src, dst_dirfd, dst, /)")},
    {"lower_priority", lower_priority, METH_VARARGS, PyDoc_STR("lower_priority(nice, io_class, io_level, /)")},
    {"resident_pages", resident_pages, METH_VARARGS, PyDoc_STR("resident_pages(fd, offset, length, /)")},
    {"_crc32c", crc32c, METH_VARARGS, PyDoc_STR("_crc32c(data, kernel=-1, /)")},
    {NULL, NULL, 0, NULL},
};

static int add_contents(PyObject *module)
{
    PyObject *type = wf_new_replay_type(module);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "ManifestReplay", type);
    Py_DECREF(type);
    if (failed || PyModule_AddFunctions(module, wf_batch_methods) != 0)
        return -1;
    if (PyModule_AddIntConstant(module, "CLEAN", WF_CLEAN) != 0 ||
        PyModule_AddIntConstant(module, "TORN", WF_TORN) != 0)
        return -1;
    return PyModule_AddIntConstant(module, "CORRUPT", WF_CORRUPT);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_contents}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "walrus_fast._native",
    .m_doc = PyDoc_STR("RocksDB's files, read and moved without the interpreter lock. See _native.pyi."),
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
