//! Description of the requests that Waypost sends to webhook endpoints.

use crate::api::openapi::operation::JSON;
use crate::api::openapi::schema::Schema;
use domain::json::{Object, Value};

use crate::api::response::object;

/// Returns the `webhooks` of the document.
pub(crate) fn webhooks() -> Value {
    let header = |name: &str, about: &str, is_required: bool| {
        object([
            ("name", name.into()),
            ("in", "header".into()),
            ("required", is_required.into()),
            ("description", about.into()),
            ("schema", Schema::string(1..).into()),
        ])
    };
    let headers = vec![
        header(
            "webhook-id",
            "ID of the event. Store the IDs of processed events to detect duplicates.",
            true,
        ),
        header("webhook-timestamp", "Time of this attempt, in Unix seconds.", true),
        header(
            "webhook-signature",
            "`v1,<base64>` as in Standard Webhooks. During a rotation of the secret: two values, separated by \
             a space.",
            true,
        ),
        header(
            "X-Webhook-Signature",
            "Hexadecimal HMAC-SHA256 of the body. The key is the whole secret.",
            true,
        ),
        header(
            "X-Webhook-Signature-Previous",
            "The same with the previous secret, for 24 hours after a rotation.",
            false,
        ),
        header(
            "Waypost-Redelivery",
            "`true`: the delivery was requested with a replay or a redelivery.",
            false,
        ),
    ];
    let content = object([("schema", Schema::reference("Event").into())]);
    let taken = object([("description", "Any 2xx within 15 seconds: the event is delivered.".into())]);
    let gone = object([("description", "Waypost disables the endpoint immediately.".into())]);
    let other = object([("description", "Waypost repeats the delivery later.".into())]);
    let post = object([
        ("operationId", "event".into()),
        ("summary", "Receive an event".into()),
        (
            "description",
            "Waypost sends events to your endpoint. Verify one of the two signatures over the received bytes \
             before you parse them. The events of one contact arrive in order, except events that failed: order \
             by `sequence`, or set the webhook's `ordering` to `strict`. A delivery without a 2xx response is \
             repeated for 42 hours."
                .into(),
        ),
        ("tags", vec![Value::from("Webhooks")].into()),
        ("security", Vec::<Value>::new().into()),
        ("parameters", headers.into()),
        ("requestBody", object([("required", true.into()), ("content", object([(JSON, content)]))])),
        ("responses", object([("2XX", taken), ("410", gone), ("default", other)])),
    ]);
    let mut webhooks = Object::new();
    webhooks.insert("event", object([("post", post)]));
    Value::Object(webhooks)
}
