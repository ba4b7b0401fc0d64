"""Tests that a public Cloud API client works with the simulator as with Meta.

Each test is one use of the client. Every test has its own customer, with a number that Ofcom reserves for drama, so the
tests are independent.
"""

import base64
import hashlib
import unittest

import httpx
import pywa
from sandbox import SIMULATOR, VERSION, Sandbox
from pywa import errors
from pywa.types import Button, Industry, MessageStatusType, Pagination, Section, SectionList, SectionRow
from pywa.types.templates import (
    BodyText,
    Buttons,
    FooterText,
    HeaderText,
    QuickReplyButton,
    Template,
    TemplateCategory,
    TemplateLanguage,
    TemplateStatus,
)

# The smallest PNG: one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

sandbox: Sandbox


def setUpModule() -> None:
    global sandbox
    sandbox = Sandbox()


def tearDownModule() -> None:
    sandbox.close()


def customer(number: int, has_written: bool = True) -> str:
    """Returns the customer with this number. Free-form messages can be sent to a customer who has written."""
    phone = f"+447700900{number:03}"
    if has_written:
        sandbox.customer_writes(phone, {"type": "text", "text": {"body": "Hello"}})
    return phone


class Webhooks(unittest.TestCase):
    def test_an_inbound_message_is_signed_and_decoded(self) -> None:
        message = sandbox.customer_writes(
            "+447700900101", {"type": "text", "text": {"body": "Grüße an/von café@example 👋"}}, name="Zoë"
        )
        self.assertEqual(message.text, "Grüße an/von café@example 👋")
        self.assertEqual(message.from_user.name, "Zoë")
        self.assertEqual(message.metadata.phone_number_id, sandbox.account["phone_number_id"])
        self.assertTrue(message.id.startswith("wamid."))

    def test_a_changed_body_is_rejected(self) -> None:
        customer(102)
        body, signature = sandbox.receiver.last_request
        self.assertIsNone(sandbox.client.webhook_update_validator(body, signature))
        with self.assertLogs("pywa", "WARNING"):
            refusal = sandbox.client.webhook_update_validator(body + b" ", signature)
        self.assertEqual(refusal, ("Forbidden", 403))

    def test_a_tapped_button_and_a_chosen_row_are_decoded(self) -> None:
        number = customer(103)
        asked = sandbox.client.send_message(number, "Confirm?", buttons=[Button(title="Yes", callback_data="yes:1")])
        context = {"from": sandbox.account["display_phone_number"], "id": asked.id}
        tapped = sandbox.customer_writes(
            number,
            {
                "type": "interactive",
                "context": context,
                "interactive": {"type": "button_reply", "button_reply": {"id": "yes:1", "title": "Yes"}},
            },
        )
        self.assertEqual((tapped.data, tapped.title), ("yes:1", "Yes"))
        self.assertEqual(tapped.reply_to_message.id, asked.id)
        chosen = sandbox.customer_writes(
            number,
            {
                "type": "interactive",
                "context": context,
                "interactive": {"type": "list_reply", "list_reply": {"id": "slot-9", "title": "09:00"}},
            },
        )
        self.assertEqual((chosen.data, chosen.title), ("slot-9", "09:00"))

    def test_the_statuses_of_a_message_contain_its_reference(self) -> None:
        sent = sandbox.client.send_message(customer(104), "On its way", tracker="order=7")
        for status in (MessageStatusType.SENT, MessageStatusType.DELIVERED, MessageStatusType.READ):
            report = sandbox.status(sent.id, status)
            self.assertEqual(report.tracker, "order=7")
            self.assertEqual(report.from_user.wa_id, "447700900104")

    def test_a_message_outside_the_window_fails(self) -> None:
        try:
            sent = sandbox.client.send_message(customer(105, has_written=False), "Anybody there?")
        except errors.ReEngagementMessage:
            return
        # The client logs an error about the missing contacts, see `failure`.
        with self.assertLogs("pywa", "ERROR"):
            failure = sandbox.failure(sent.id)
        self.assertIsInstance(failure, errors.ReEngagementMessage)


class Messages(unittest.TestCase):
    def received(self, sent) -> str:
        """Returns the request that the simulator received. Fails if the response differs from a response of Meta."""
        self.assertTrue(sent.id.startswith("wamid."), sent)
        return str(sandbox.accepted(sent.id))

    def test_text(self) -> None:
        sent = sandbox.client.send_message(customer(111), "See https://example.com", preview_url=True)
        self.assertIn("See https://example.com", self.received(sent))

    def test_a_reply(self) -> None:
        message = sandbox.customer_writes("+447700900112", {"type": "text", "text": {"body": "Open today?"}})
        sent = message.reply("Until six.", quote=True)
        self.assertIn(message.id, self.received(sent))

    def test_an_image_by_link(self) -> None:
        sent = sandbox.client.send_image(customer(113), "https://example.com/a.jpg", caption="The harbour")
        self.assertIn("https://example.com/a.jpg", self.received(sent))

    def test_buttons(self) -> None:
        buttons = [Button(title="Yes", callback_data="yes"), Button(title="No", callback_data="no")]
        sent = sandbox.client.send_message(customer(114), "Confirm?", header="Order", footer="Shop", buttons=buttons)
        self.assertIn("Confirm?", self.received(sent))

    def test_a_list(self) -> None:
        rows = [SectionRow(title="09:00", callback_data="slot-9", description="Dr Okafor")]
        choice = SectionList(button_title="Slots", sections=[Section(title="Morning", rows=rows)])
        sent = sandbox.client.send_message(customer(115), "Pick one", buttons=choice)
        self.assertIn("slot-9", self.received(sent))

    def test_a_reaction(self) -> None:
        message = sandbox.customer_writes("+447700900116", {"type": "text", "text": {"body": "Thanks"}})
        sent = sandbox.client.send_reaction("+447700900116", "👍", message.id)
        self.assertIn(message.id, self.received(sent))

    def test_location(self) -> None:
        sent = sandbox.client.send_location(customer(117), 56.4152, -5.471, name="Ferry terminal", address="Oban")
        self.assertIn("Ferry terminal", self.received(sent))

    def test_marking_as_read_and_typing(self) -> None:
        message = sandbox.customer_writes("+447700900118", {"type": "text", "text": {"body": "Hello?"}})
        self.assertTrue(message.mark_as_read())
        self.assertTrue(sandbox.client.indicate_typing(message.id))

    def test_a_button_that_is_too_long_is_rejected_as_by_meta(self) -> None:
        number = customer(119)
        with self.assertRaises(errors.InvalidParameter) as refused:
            sandbox.client.send_message(number, "Confirm?", buttons=[Button(title="x" * 21, callback_data="a")])
        self.assertEqual(refused.exception.status_code, 400)

    def test_a_wrong_token_is_rejected(self) -> None:
        session = httpx.Client(trust_env=False, timeout=10)
        self.addCleanup(session.close)
        stranger = pywa.WhatsApp(
            phone_id=sandbox.account["phone_number_id"], token="EAAwrong", session=session, api_version=VERSION
        )
        session.base_url = f"{SIMULATOR}/v{VERSION}"
        with self.assertRaises(errors.ExpiredAccessToken):
            stranger.send_message("+447700900120", "Hello")


class Media(unittest.TestCase):
    def test_media_is_uploaded_sent_looked_up_downloaded_and_deleted(self) -> None:
        media = sandbox.client.upload_media(PNG, mime_type="image/png", filename="dot.png")
        sent = sandbox.client.send_image(customer(131), media, caption="A dot")
        self.assertIn(media.id, str(sandbox.accepted(sent.id)))

        found = sandbox.client.get_media_url(media.id)
        digest = hashlib.sha256(PNG)
        self.assertEqual((found.id, found.mime_type, int(found.file_size)), (media.id, "image/png", len(PNG)))
        self.assertIn(found.sha256, (digest.hexdigest(), base64.b64encode(digest.digest()).decode()))
        self.assertEqual(sandbox.client.get_media_bytes(found.url), PNG)

        self.assertTrue(sandbox.client.delete_media(media.id))
        with self.assertRaises(errors.WhatsAppError):
            sandbox.client.get_media_url(media.id)

    def test_media_that_a_customer_sent_can_be_downloaded(self) -> None:
        media = sandbox.client.upload_media(PNG, mime_type="image/png", filename="dot.png")
        found = sandbox.client.get_media_url(media.id)
        message = sandbox.customer_writes(
            "+447700900132",
            {"type": "image", "image": {"id": media.id, "mime_type": "image/png", "sha256": found.sha256}},
        )
        self.assertEqual(message.image.mime_type, "image/png")
        self.assertEqual(message.image.get_bytes(), PNG)


class Templates(unittest.TestCase):
    def create(self, name: str):
        """Submits a template with two parameters and a button."""
        template = Template(
            name=name,
            language=TemplateLanguage.ENGLISH_US,
            category=TemplateCategory.UTILITY,
            components=[
                HeaderText("Order update"),
                BodyText("Hello {{1}}, your order {{2}} has left our shop.", "Maya", "A-7"),
                FooterText(text="The shop"),
                Buttons(buttons=[QuickReplyButton(text="Stop")]),
            ],
        )
        return template, sandbox.client.create_template(template)

    def test_a_template_is_created_reviewed_and_sent(self) -> None:
        template, created = self.create("interop_order_left")
        self.assertEqual(created.category, TemplateCategory.UTILITY)
        sandbox.control("POST", f"/templates/{created.id}/review", {"status": "APPROVED"})
        details = sandbox.client.get_template(created.id)
        self.assertEqual((details.name, details.status), ("interop_order_left", TemplateStatus.APPROVED))

        body = template.components[1]
        sent = sandbox.client.send_template(
            customer(141, has_written=False),
            "interop_order_left",
            TemplateLanguage.ENGLISH_US,
            [body.params("Maya", "A-7")],
        )
        self.assertIn("interop_order_left", str(sandbox.accepted(sent.id)))
        sandbox.status(sent.id, MessageStatusType.DELIVERED)

    def test_a_template_with_too_few_parameters_is_rejected(self) -> None:
        _, created = self.create("interop_too_few")
        sandbox.control("POST", f"/templates/{created.id}/review", {"status": "APPROVED"})
        one = BodyText("Hello {{1}}", "Maya")
        with self.assertRaises(errors.TemplateParamCountMismatch):
            sandbox.client.send_template(
                customer(142, has_written=False),
                "interop_too_few",
                TemplateLanguage.ENGLISH_US,
                [one.params("Maya")],
            )

    def test_an_unknown_template_is_rejected(self) -> None:
        with self.assertRaises(errors.TemplateNotExists):
            sandbox.client.send_template(
                customer(143, has_written=False), "interop_nowhere", TemplateLanguage.ENGLISH_US, []
            )

    def test_the_list_of_templates_is_paged(self) -> None:
        names = {f"interop_page_{number}" for number in range(3)}
        for name in names:
            self.create(name)
        page = sandbox.client.get_templates(pagination=Pagination(limit=2))
        seen = list(page)
        while page.has_next:
            # Not `page.next()`: for templates that fails in the client itself (4.5.0).
            page = sandbox.client.get_templates(pagination=Pagination(limit=2, after=page.after))
            self.assertLessEqual(len(page), 2)
            seen += page
        ids = [template.id for template in seen]
        self.assertEqual(len(ids), len(set(ids)), "a template came twice")
        self.assertLessEqual(names, {template.name for template in seen})

    def test_a_template_is_deleted(self) -> None:
        _, created = self.create("interop_deleted")
        self.assertTrue(sandbox.client.delete_template("interop_deleted", template_id=created.id))
        names = {template.name for template in sandbox.client.get_templates(name="interop_deleted")}
        self.assertNotIn("interop_deleted", names)


class Numbers(unittest.TestCase):
    def test_the_properties_of_the_number_are_returned(self) -> None:
        number = sandbox.client.get_business_phone_number()
        self.assertEqual(number.id, sandbox.account["phone_number_id"])
        self.assertTrue(number.display_phone_number)
        listed = sandbox.client.get_business_phone_numbers()
        self.assertIn(number.id, [other.id for other in listed])

    def test_the_profile_is_changed_and_read_back(self) -> None:
        changed = sandbox.client.update_business_profile(
            about="Ferries and more",
            address="1 Harbour Road",
            description="We sail daily.",
            email="desk@example.com",
            industry=Industry.TRAVEL,
            websites=["https://example.com/"],
        )
        self.assertTrue(changed)
        profile = sandbox.client.get_business_profile()
        self.assertEqual((profile.about, profile.industry), ("Ferries and more", Industry.TRAVEL))
        self.assertEqual((profile.address, profile.email), ("1 Harbour Road", "desk@example.com"))
        self.assertEqual(profile.websites, ("https://example.com/",))


if __name__ == "__main__":
    unittest.main()
