# Two images of one program: `cpu` (API, migrations, labels, reports) and `cuda` (training).
#   docker build --target cpu -t unspoken:cpu .
#   docker build --target cuda -t unspoken:cuda .
# A registry that needs a mirror or a proxy: pass PIP_INDEX_URL, as pip reads it, with --build-arg.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1


# The program as a wheel; the tools that build it stay here.
FROM python AS wheel
ARG PIP_INDEX_URL
WORKDIR /source
COPY requirements.lock requirements-dev.lock ./
RUN pip install -c requirements.lock -c requirements-dev.lock hatchling
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .


# What both images install; a change of the sources leaves this layer as it is.
FROM python AS installed
ARG PIP_INDEX_URL
RUN python -m venv /opt/unspoken
ENV PATH=/opt/unspoken/bin:$PATH
COPY requirements.lock requirements-data.lock /locks/


FROM installed AS cpu-packages
# The index of torch's CPU builds, as pip's --extra-index-url reads it. Without one the registry's build is taken, which
# on Linux brings the CUDA libraries too: it runs on a CPU and is gigabytes larger.
ARG TORCH_CPU_INDEX
RUN pip install ${TORCH_CPU_INDEX:+--extra-index-url "$TORCH_CPU_INDEX"} -r /locks/requirements.lock \
    && pip install --no-deps -r /locks/requirements-data.lock
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl


FROM installed AS cuda-packages
RUN pip install -r /locks/requirements.lock && pip install --no-deps -r /locks/requirements-data.lock \
    && python -c "import sys, torch; sys.exit(None if torch.version.cuda else 'This index gave a torch without CUDA.')"
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl


# What both images run as: a user of their own, who may write to /data and nowhere else.
FROM python AS runtime
RUN useradd --uid 10001 --create-home unspoken && install -d -o unspoken -g unspoken /data
ENV PATH=/opt/unspoken/bin:$PATH UNSPOKEN_HOME=/data HF_HOME=/data/huggingface HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
WORKDIR /data
VOLUME /data
USER unspoken
ENTRYPOINT ["unspoken"]
CMD ["--help"]


FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility UNSPOKEN_DEVICE=cuda
COPY --from=cuda-packages /opt/unspoken /opt/unspoken


# Last, so that `docker build .` without a target makes this one.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/unspoken /opt/unspoken
