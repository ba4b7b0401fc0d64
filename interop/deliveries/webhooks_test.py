"""What Waypost posts to an endpoint verifies with the public Standard Webhooks library.

The deliveries are real ones: a program of the gateway's posted them to a server a moment ago.
"""

import hashlib
import hmac
import json
import os
import pathlib
import unittest

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

DELIVERIES = json.loads(pathlib.Path(os.environ["WAYPOST_DELIVERIES"]).read_text(encoding="utf-8"))
STRANGER = "whsec_c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIgMTIzNDU="


class StandardWebhooks(unittest.TestCase):
    def test_there_are_deliveries_and_one_is_of_a_rotation(self) -> None:
        self.assertGreaterEqual(len(DELIVERIES), 4)
        self.assertIn(2, [len(delivery["secrets"]) for delivery in DELIVERIES])

    def test_each_delivery_verifies_with_each_of_its_secrets(self) -> None:
        for delivery in DELIVERIES:
            for secret in delivery["secrets"]:
                with self.subTest(delivery["headers"]["webhook-id"]):
                    event = Webhook(secret).verify(delivery["body"], delivery["headers"])
                    self.assertEqual(event["id"], delivery["headers"]["webhook-id"])

    def test_no_delivery_verifies_with_another_secret(self) -> None:
        for delivery in DELIVERIES:
            with self.assertRaises(WebhookVerificationError):
                Webhook(STRANGER).verify(delivery["body"], delivery["headers"])

    def test_no_delivery_verifies_once_it_is_changed(self) -> None:
        for delivery in DELIVERIES:
            webhook = Webhook(delivery["secrets"][0])
            with self.assertRaises(WebhookVerificationError):
                webhook.verify(delivery["body"] + " ", delivery["headers"])
            with self.assertRaises(WebhookVerificationError):
                webhook.verify(delivery["body"], {**delivery["headers"], "webhook-id": "evt_other"})


class PlainSignature(unittest.TestCase):
    def test_each_delivery_verifies_with_the_standard_library(self) -> None:
        names = ("x-webhook-signature", "x-webhook-signature-previous")
        for delivery in DELIVERIES:
            for name, secret in zip(names, delivery["secrets"]):
                digest = hmac.new(secret.encode(), delivery["body"].encode(), hashlib.sha256).hexdigest()
                self.assertTrue(hmac.compare_digest(digest, delivery["headers"][name]))
