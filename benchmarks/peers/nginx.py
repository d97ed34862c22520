"""The ceiling: nginx with one worker and ``sendfile``, serving bytes from a file."""

from pathlib import Path

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type application/json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
  }}
}}
"""


def command(folder: Path, port: int, files: dict[str, bytes]) -> list[str]:
    """Write ``files`` and a configuration into ``folder``; answer the command that serves them."""
    (folder / "files").mkdir(parents=True)
    # Workers started by root run as an unprivileged user, who must be able to reach the files.
    for directory in (folder, folder / "files"):
        directory.chmod(0o755)
    for name, content in files.items():
        (folder / "files" / name).write_bytes(content)
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
