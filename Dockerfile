# The command airchitect with all extras: docker build -t airchitect . &&
#   docker run --rm -v "$PWD:/work" airchitect recommend --workload=resnet50
FROM python:3.12-slim
COPY . /source
RUN pip install --no-cache-dir '/source[all]' && rm -rf /source
WORKDIR /work
ENTRYPOINT ["airchitect"]
