#include "module.h"

#include "walrus_native.h"

#include <errno.h>
#include <stdlib.h>

/* File names as C strings that stay valid without the interpreter lock, because `held` owns the bytes objects. */
struct names {
    Py_ssize_t count;
    PyObject **held;
    const char **text;
};

static void release_names(struct names *names)
{
    for (Py_ssize_t i = 0; i < names->count; i++)
        Py_XDECREF(names->held[i]);
    PyMem_Free(names->held);
    PyMem_Free(names->text);
}

static int take_name(PyObject *sequence, Py_ssize_t i, struct names *names)
{
    PyObject *item = PySequence_GetItem(sequence, i);
    if (item == NULL)
        return -1;
    int converted = PyUnicode_FSConverter(item, &names->held[i]); /* refuses embedded zeros */
    Py_DECREF(item);
    if (!converted) {
        names->held[i] = NULL;
        return -1;
    }
    names->text[i] = PyBytes_AsString(names->held[i]);
    return names->text[i] != NULL ? 0 : -1;
}

static int take_names(PyObject *sequence, struct names *names)
{
    *names = (struct names){0};
    if (!PySequence_Check(sequence) || PyUnicode_Check(sequence) || PyBytes_Check(sequence)) {
        PyErr_SetString(PyExc_TypeError, "a sequence of file names is needed");
        return -1;
    }
    Py_ssize_t count = PySequence_Size(sequence);
    if (count < 0)
        return -1;
    names->held = PyMem_Calloc((size_t)count + 1, sizeof *names->held);
    names->text = PyMem_Calloc((size_t)count + 1, sizeof *names->text);
    names->count = names->held != NULL ? count : 0;
    if (names->held == NULL || names->text == NULL) {
        PyErr_NoMemory();
        release_names(names);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (take_name(sequence, i, names) != 0) {
            release_names(names);
            return -1;
        }
    }
    return 0;
}

/* Frees `results`; `one` makes the Python object of the i-th result. */
static PyObject *list_of(void *results, Py_ssize_t count, PyObject *(*one)(const void *results, Py_ssize_t i))
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = one(results, i);
        if (item == NULL || PyList_SetItem(list, i, item) != 0) {
            Py_DECREF(list);
            list = NULL;
        }
    }
    free(results);
    return list;
}

static PyObject *errno_object(const void *results, Py_ssize_t i)
{
    return PyLong_FromLong(((const int *)results)[i]);
}

typedef int single_function(int dirfd, const char *name);
typedef int pair_function(int from_dir, const char *from, int to_dir, const char *to);

static PyObject *run_singles(PyObject *args, const char *format, single_function *function)
{
    int dirfd;
    PyObject *sequence;
    struct names names;
    if (!PyArg_ParseTuple(args, format, &dirfd, &sequence) || take_names(sequence, &names) != 0)
        return NULL;
    int *errors = malloc(((size_t)names.count + 1) * sizeof *errors);
    Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; errors != NULL && i < names.count; i++) errors[i] =
        function(dirfd, names.text[i]);
    Py_END_ALLOW_THREADS release_names(&names);
    return errors != NULL ? list_of(errors, names.count, errno_object) : PyErr_NoMemory();
}

static PyObject *run_pairs(PyObject *args, const char *format, pair_function *function)
{
    int from_dir, to_dir;
    PyObject *from_sequence, *to_sequence;
    struct names from, to;
    if (!PyArg_ParseTuple(args, format, &from_dir, &from_sequence, &to_dir, &to_sequence))
        return NULL;
    if (take_names(from_sequence, &from) != 0)
        return NULL;
    if (take_names(to_sequence, &to) != 0) {
        release_names(&from);
        return NULL;
    }
    bool paired = from.count == to.count;
    int *errors = paired ? malloc(((size_t)from.count + 1) * sizeof *errors) : NULL;
    Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; errors != NULL && i < from.count; i++) errors[i] =
        function(from_dir, from.text[i], to_dir, to.text[i]);
    Py_END_ALLOW_THREADS release_names(&from);
    release_names(&to);
    if (!paired) {
        PyErr_SetString(PyExc_ValueError, "as many destinations as sources are needed");
        return NULL;
    }
    return errors != NULL ? list_of(errors, from.count, errno_object) : PyErr_NoMemory();
}

struct stat_result {
    int error;
    struct wf_stat stat;
};

static PyObject *stat_object(const void *results, Py_ssize_t i)
{
    const struct stat_result *result = (const struct stat_result *)results + i;
    const struct wf_stat *stat = &result->stat;
    return Py_BuildValue("(iKKKLK)", result->error, (unsigned long long)stat->device, (unsigned long long)stat->inode,
                         (unsigned long long)stat->size, (long long)stat->mtime_ns, (unsigned long long)stat->links);
}

static PyObject *stat_files(PyObject *module, PyObject *args)
{
    (void)module;
    int dirfd;
    PyObject *sequence;
    struct names names;
    if (!PyArg_ParseTuple(args, "iO:stat_files", &dirfd, &sequence) || take_names(sequence, &names) != 0)
        return NULL;
    struct stat_result *results = calloc((size_t)names.count + 1, sizeof *results);
    Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; results != NULL && i < names.count; i++) results[i].error =
        wf_stat_file(dirfd, names.text[i], &results[i].stat);
    Py_END_ALLOW_THREADS release_names(&names);
    return results != NULL ? list_of(results, names.count, stat_object) : PyErr_NoMemory();
}

static PyObject *identity_object(const void *results, Py_ssize_t i)
{
    const struct wf_identity *identity = (const struct wf_identity *)results + i;
    bool fine = identity->status == 0;
    PyObject *session =
        PyUnicode_DecodeUTF8(identity->session, fine ? (Py_ssize_t)identity->session_length : 0, "strict");
    PyObject *db = PyUnicode_DecodeUTF8(identity->db, fine ? (Py_ssize_t)identity->db_length : 0, "surrogateescape");
    if (session == NULL || db == NULL) {
        Py_XDECREF(session);
        Py_XDECREF(db);
        return NULL;
    }
    return Py_BuildValue("(iNNK)", identity->status, session, db,
                         (unsigned long long)(fine ? identity->original_number : 0));
}

static PyObject *table_identities(PyObject *module, PyObject *args)
{
    (void)module;
    int dirfd;
    PyObject *sequence;
    struct names names;
    if (!PyArg_ParseTuple(args, "iO:table_identities", &dirfd, &sequence) || take_names(sequence, &names) != 0)
        return NULL;
    struct wf_identity *results = malloc(((size_t)names.count + 1) * sizeof *results);
    Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; results != NULL && i < names.count; i++)
        wf_table_identity(dirfd, names.text[i], &results[i]);
    Py_END_ALLOW_THREADS release_names(&names);
    return results != NULL ? list_of(results, names.count, identity_object) : PyErr_NoMemory();
}

static PyObject *link_files(PyObject *module, PyObject *args)
{
    (void)module;
    return run_pairs(args, "iOiO:link_files", wf_link_file);
}

static PyObject *clone_files(PyObject *module, PyObject *args)
{
    (void)module;
    return run_pairs(args, "iOiO:clone_files", wf_clone_file);
}

static PyObject *rename_files(PyObject *module, PyObject *args)
{
    (void)module;
    return run_pairs(args, "iOiO:rename_files", wf_rename_file);
}

static PyObject *unlink_files(PyObject *module, PyObject *args)
{
    (void)module;
    return run_singles(args, "iO:unlink_files", wf_unlink_file);
}

static PyObject *sync_files(PyObject *module, PyObject *args)
{
    (void)module;
    return run_singles(args, "iO:sync_files", wf_sync_file);
}

PyMethodDef wf_batch_methods[] = {
    {"table_identities", table_identities, METH_VARARGS, PyDoc_STR("table_identities(dirfd, names, /)")},
    {"stat_files", stat_files, METH_VARARGS, PyDoc_STR("stat_files(dirfd, names, /)")},
    {"link_files", link_files, METH_VARARGS, PyDoc_STR("link_files(src_dirfd, src_names, dst_dirfd, dst_names, /)")},
    {"clone_files", clone_files, METH_VARARGS, PyDoc_STR("clone_files(src_dirfd, src_names, dst_dirfd, dst_names, /)")},
    {"rename_files", rename_files, METH_VARARGS,
     PyDoc_STR("rename_files(src_dirfd, src_names, dst_dirfd, dst_names, /)")},
    {"unlink_files", unlink_files, METH_VARARGS, PyDoc_STR("unlink_files(dirfd, names, /)")},
    {"sync_files", sync_files, METH_VARARGS, PyDoc_STR("sync_files(dirfd, names, /)")},
    {NULL, NULL, 0, NULL},
};
