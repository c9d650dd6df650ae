# walrus-fast in a container: `docker build -t walrus-fast .`, recipes in deploy/container/ and deploy/kubernetes/.
#
#   builder   sdist, the wheel from that sdist, and the venv with what requirements.lock names
#   test      the suite, from the unpacked sdist, against the installed wheel: `docker build --target test .`
#   (last)    Debian's Python, the venv, nothing that could build or install anything

FROM debian:bookworm-slim AS python
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
           /usr/share/doc/* /usr/share/man/* /usr/share/locale/*


FROM python AS builder
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        python3-venv python3-dev gcc libc6-dev binutils ca-certificates
WORKDIR /build
COPY . source
# The tools have a venv of their own; the one that is shipped never had pip in it.
RUN python3 -m venv tools \
 && tools/bin/pip install --quiet --require-hashes -r source/requirements-build.lock \
 && mkdir dist unpacked \
 && (cd source && ../tools/bin/python -c 'from setuptools import build_meta; build_meta.build_sdist("../dist")') \
 && tar -xf dist/walrus_fast-*.tar.gz -C unpacked --strip-components=1 \
 && (cd unpacked && ../tools/bin/python -c 'from setuptools import build_meta; build_meta.build_wheel("../dist")')
# Without their symbols RocksDB has 9 MB instead of 11, uvloop 2 instead of 14; a traceback of Python's loses nothing.
RUN python3 -m venv --without-pip /opt/walrus-fast \
 && tools/bin/pip --python /opt/walrus-fast/bin/python install --quiet --require-hashes --only-binary :all: \
        -r unpacked/requirements.lock \
 && tools/bin/pip --python /opt/walrus-fast/bin/python install --quiet --no-deps dist/walrus_fast-*.whl \
 && find /opt/walrus-fast -name '*.so' -exec strip --strip-unneeded {} + \
 && /opt/walrus-fast/bin/walrus-node --version


FROM builder AS test
# ldb and the rest of what tests/packages.sh installs; the suite itself runs as nobody, so what needs root says so.
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends rocksdb-tools strace make git
RUN tools/bin/pip install --quiet -r unpacked/requirements.lock \
 && tools/bin/pip install --quiet "$(echo dist/walrus_fast-*.whl)[dev]" \
 && rm -r unpacked/src && chown -R nobody unpacked
WORKDIR /build/unpacked
USER nobody
RUN HOME=/tmp ../tools/bin/python -m pytest -m "not long" -p no:cacheprovider --ignore=tests/test_house_rules.py


FROM python
# A killed job's RocksDB process becomes a child of process 1, which must be one that reaps what it does not know.
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends tini \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /usr/share/doc/*
LABEL org.opencontainers.image.title="walrus-fast" \
      org.opencontainers.image.description="Hot, verified, restorable backups of a live RocksDB, from outside its process" \
      org.opencontainers.image.licenses="Apache-2.0"
# /walrus is for the admin socket, on a tmpfs. Podman gives that the mode of the folder below it and root as its owner, and
# below /run, for which it has a read-only container's tmpfs of its own, a mode that lets only root in.
# 10001 is nobody's in Debian. Give the container the database's owner instead (`--user`), if that is another.
RUN groupadd --gid 10001 walrus && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent walrus \
 && install -d -m 1777 /walrus \
 && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /var/log/lastlog /var/log/faillog
COPY --from=builder /opt/walrus-fast /opt/walrus-fast
ENV PATH=/opt/walrus-fast/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 WALRUS_ADMIN_SOCKET=/walrus/admin.socket
USER 10001:10001
WORKDIR /
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD walrus-node local-admin --socket-path "$WALRUS_ADMIN_SOCKET" info
ENTRYPOINT ["tini", "--", "walrus-node"]
CMD ["run", "--config-path", "/etc/walrus/node-config.yaml"]
