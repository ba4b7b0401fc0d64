"""Uploads a file and sends it."""

import waypost

BOUNDARY = "multipart-boundary"
form = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="invoice.txt"\r\n'
    "Content-Type: text/plain\r\n\r\n"
    "Two blue cups: 12 EUR\n\r\n"
    f"--{BOUNDARY}--\r\n"
).encode()
file = waypost.call("POST", "/api/media", form, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
print("uploaded", file["mime_type"], file["size"])

document = {"id": file["id"], "filename": "invoice.txt"}
sent = waypost.call("POST", "/api/messages/send", {"to": "+15550100001", "type": "document", "document": document})
print(sent["status"], sent["message_id"])

# uploaded text/plain 22
# sent wamid.HBgL…
