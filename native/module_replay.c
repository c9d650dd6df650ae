#include "module.h"

#include "walrus_native.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <structmember.h>

/* The attributes are copies made after each feed, so that they can be read while another thread feeds; the listings
 * need the replay itself and are refused meanwhile. `busy` changes only under the interpreter lock. */
struct replay_object {
    PyObject_HEAD struct wf_replay replay;
    bool initialized, busy;
    unsigned long long offset, edits, last_sequence, next_file, prev_log, min_log;
    int state;
    PyObject *reason, *db_id;
};

static bool claim(struct replay_object *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is feeding this replay");
        return false;
    }
    return true;
}

static void replace(PyObject **place, PyObject *value)
{
    PyObject *old = *place;
    *place = value;
    Py_XDECREF(old);
}

static int copy_attributes(struct replay_object *self)
{
    const struct wf_scalars *now = &self->replay.state.now;
    PyObject *reason = PyUnicode_FromString(self->replay.reason), *db_id = Py_NewRef(Py_None);
    if (now->db_id != NULL) {
        Py_DECREF(db_id);
        db_id = PyUnicode_DecodeUTF8((const char *)now->db_id, (Py_ssize_t)now->db_id_length, "surrogateescape");
    }
    if (reason == NULL || db_id == NULL) {
        Py_XDECREF(reason);
        Py_XDECREF(db_id);
        return -1;
    }
    replace(&self->reason, reason);
    replace(&self->db_id, db_id);
    self->offset = self->replay.offset;
    self->edits = self->replay.edits;
    self->state = self->replay.verdict;
    self->last_sequence = now->last_sequence;
    self->next_file = now->next_file;
    self->prev_log = now->prev_log;
    self->min_log = now->min_log;
    return 0;
}

static PyObject *replay_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_Size(args) != 0 || (kwargs != NULL && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "ManifestReplay() takes no arguments");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct replay_object *self = (struct replay_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    int error = wf_replay_init(&self->replay);
    self->initialized = error == 0;
    if (error != 0 || copy_attributes(self) != 0) {
        if (error != 0)
            wf_raise(error);
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void replay_dealloc(PyObject *object)
{
    struct replay_object *self = (struct replay_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->initialized)
        wf_replay_free(&self->replay);
    Py_XDECREF(self->reason);
    Py_XDECREF(self->db_id);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *feed(PyObject *object, PyObject *args)
{
    struct replay_object *self = (struct replay_object *)object;
    int fd, error;
    long long limit = -1;
    if (!PyArg_ParseTuple(args, "i|L:feed", &fd, &limit) || !claim(self))
        return NULL;
    if (limit >= 0 && (unsigned long long)limit < self->offset) {
        PyErr_SetString(PyExc_ValueError, "limit lies before offset");
        return NULL;
    }
    uint64_t applied = 0;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS error = wf_replay_feed(&self->replay, fd, limit, &applied);
    Py_END_ALLOW_THREADS self->busy = false;
    if (copy_attributes(self) != 0)
        return NULL;
    return error != 0 ? wf_raise(error) : PyLong_FromUnsignedLongLong(applied);
}

static PyObject *text(const uint8_t *bytes, size_t length)
{
    return PyUnicode_DecodeUTF8(bytes != NULL ? (const char *)bytes : "", (Py_ssize_t)length, "surrogateescape");
}

static PyObject *family_tuple(const struct wf_family *family)
{
    PyObject *name = text(family->name, family->name_length),
             *comparator = text(family->comparator, family->comparator_length);
    if (name == NULL || comparator == NULL) {
        Py_XDECREF(name);
        Py_XDECREF(comparator);
        return NULL;
    }
    return Py_BuildValue("(INKN)", family->id, name, (unsigned long long)family->log, comparator);
}

static PyObject *families(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct replay_object *self = (struct replay_object *)object;
    const struct wf_family **array;
    size_t count;
    if (!claim(self))
        return NULL;
    int error = wf_list_families(&self->replay.state, &array, &count);
    PyObject *list = error != 0 ? wf_raise(error) : PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = family_tuple(array[i]);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) != 0) {
            Py_DECREF(list);
            list = NULL;
        }
    }
    free(array);
    return list;
}

static PyObject *table_tuple(const struct wf_listed *table)
{
    return Py_BuildValue("(KKIII)", (unsigned long long)table->number, (unsigned long long)table->size, table->path,
                         table->level, table->family);
}

static PyObject *blob_tuple(const struct wf_listed *blob)
{
    return Py_BuildValue("(KKIO)", (unsigned long long)blob->number, (unsigned long long)blob->size, blob->family,
                         blob->live ? Py_True : Py_False);
}

static PyObject *wal_tuple(const struct wf_listed *wal)
{
    PyObject *size = wal->size != UINT64_MAX ? PyLong_FromUnsignedLongLong(wal->size) : PyLong_FromLong(-1);
    return size != NULL ? Py_BuildValue("(KN)", (unsigned long long)wal->number, size) : NULL;
}

typedef int list_function(const struct wf_state *state, struct wf_listed **list, size_t *count);

static PyObject *listing(PyObject *object, list_function *gather, PyObject *(*tuple)(const struct wf_listed *))
{
    struct replay_object *self = (struct replay_object *)object;
    struct wf_listed *array = NULL;
    size_t count;
    if (!claim(self))
        return NULL;
    int error = gather(&self->replay.state, &array, &count);
    PyObject *list = error != 0 ? wf_raise(error) : PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = tuple(&array[i]);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) != 0) {
            Py_DECREF(list);
            list = NULL;
        }
    }
    free(array);
    return list;
}

static PyObject *tables(PyObject *object, PyObject *unused)
{
    (void)unused;
    return listing(object, wf_list_tables, table_tuple);
}

static PyObject *blobs(PyObject *object, PyObject *unused)
{
    (void)unused;
    return listing(object, wf_list_blobs, blob_tuple);
}

static PyObject *wals(PyObject *object, PyObject *unused)
{
    (void)unused;
    return listing(object, wf_list_wals, wal_tuple);
}

static PyMethodDef replay_methods[] = {
    {"feed", feed, METH_VARARGS, PyDoc_STR("feed(fd, limit=-1, /)")},
    {"families", families, METH_NOARGS, PyDoc_STR("families()")},
    {"tables", tables, METH_NOARGS, PyDoc_STR("tables()")},
    {"blobs", blobs, METH_NOARGS, PyDoc_STR("blobs()")},
    {"wals", wals, METH_NOARGS, PyDoc_STR("wals()")},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, type, field) {name, type, offsetof(struct replay_object, field), READONLY, NULL}

static PyMemberDef replay_members[] = {
    MEMBER("offset", T_ULONGLONG, offset),
    MEMBER("state", T_INT, state),
    MEMBER("reason", T_OBJECT_EX, reason),
    MEMBER("edits", T_ULONGLONG, edits),
    MEMBER("db_id", T_OBJECT_EX, db_id),
    MEMBER("last_sequence", T_ULONGLONG, last_sequence),
    MEMBER("next_file_number", T_ULONGLONG, next_file),
    MEMBER("prev_log_number", T_ULONGLONG, prev_log),
    MEMBER("min_log_number_to_keep", T_ULONGLONG, min_log),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot replay_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Incremental replay of one MANIFEST file.")},
    {Py_tp_new, replay_new},
    {Py_tp_dealloc, replay_dealloc},
    {Py_tp_methods, replay_methods},
    {Py_tp_members, replay_members},
    {0, NULL},
};

static PyType_Spec replay_spec = {
    .name = "walrus_fast._native.ManifestReplay",
    .basicsize = sizeof(struct replay_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = replay_slots,
};

PyObject *wf_new_replay_type(PyObject *module)
{
    return PyType_FromModuleAndSpec(module, &replay_spec, NULL);
}
