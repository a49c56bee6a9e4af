# The engine on the CPU; docs/install.md says how to use it. Never built where it was written: no container engine there.
# docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu --tag pada .
FROM python:3.11-slim AS build
# Without it pip takes plain torch, with several gigabytes of CUDA libraries.
ARG TORCH_INDEX=""
WORKDIR /source
RUN python -m venv /opt/pada
ENV PATH=/opt/pada/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# By itself and first: a change of the engine downloads none of it again. Alone from that index, which need not hold
# what torch wants in the versions of constraints.txt: that comes along with the engine.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt ${TORCH_INDEX:+--no-deps --index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)"
COPY . .
RUN pip install --constraint constraints.txt .

FROM python:3.11-slim
COPY --from=build /opt/pada /opt/pada
# USER: libraries ask for a name, which a number given by --user does not have.
ENV PATH=/opt/pada/bin:$PATH HOME=/work USER=pada PADA_CACHE=/work/.pada-cache HF_HOME=/work/.pada-cache/huggingface PYTHONUNBUFFERED=1
# Any user may run it (docker run --user); this one where none is named.
RUN useradd --uid 1000 --no-create-home pada && install --directory --owner pada /work
USER pada
WORKDIR /work
ENTRYPOINT ["pada"]
CMD ["--help"]
