"""The tests that show what each function's role has to allow: each makes the function use it, or fails (G9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.permissions import STATE_MACHINES

if TYPE_CHECKING:
    from tests.contract.permissions import Permission

NEEDS: dict[str, dict[str, set[Permission]]] = {
    "test_callbacks.py::test_a_failure_has_an_error_and_its_cause": {
        "WorkerFunction": {
            ("states:SendTaskFailure", STATE_MACHINES),
        },
    },
    "test_callbacks.py::test_g8_a_refusal_that_could_not_be_told_is_told_by_reconcile": {
        "LaunchFunction": {
            ("states:SendTaskFailure", STATE_MACHINES),
        },
        "WorkerFunction": {
            ("states:SendTaskFailure", STATE_MACHINES),
        },
    },
    "test_callbacks.py::test_g8_whoever_tells_a_task_of_a_result_in_the_bucket_reads_it_there": {
        "LaunchFunction": {
            ("dynamodb:GetItem", "LaunchesTable.Arn"),
            ("dynamodb:GetItem", "RunsTable.Arn"),
            ("dynamodb:UpdateItem", "LaunchesTable.Arn"),
            ("dynamodb:UpdateItem", "RunsTable.Arn"),
            ("s3:GetObject", "${PayloadBucket.Arn}/runs/*"),
            ("secretsmanager:GetSecretValue", "KeyRingSecret"),
            ("secretsmanager:GetSecretValue", "LangGraphApiKeySecret"),
            ("states:SendTaskSuccess", STATE_MACHINES),
        },
        "SweepFunction": {
            ("dynamodb:Query", "${LaunchesTable.Arn}/index/due"),
            ("dynamodb:Query", "${RunsTable.Arn}/index/due"),
            ("dynamodb:UpdateItem", "LaunchesTable.Arn"),
            ("sqs:GetQueueAttributes", "WorkQueue.Arn"),
            ("sqs:SendMessage", "WorkQueue.Arn"),
        },
        "WorkerFunction": {
            ("dynamodb:GetItem", "LaunchesTable.Arn"),
            ("dynamodb:GetItem", "RunsTable.Arn"),
            ("dynamodb:UpdateItem", "LaunchesTable.Arn"),
            ("dynamodb:UpdateItem", "RunsTable.Arn"),
            ("events:PutEvents", "EventBus.Arn"),
            ("s3:GetObject", "${PayloadBucket.Arn}/runs/*"),
            ("secretsmanager:GetSecretValue", "LangGraphApiKeySecret"),
            ("states:SendTaskSuccess", STATE_MACHINES),
        },
        "WebhookFunction": {
            ("dynamodb:UpdateItem", "RunsTable.Arn"),
            ("s3:PutObject", "${PayloadBucket.Arn}/runs/*"),
            ("secretsmanager:GetSecretValue", "KeyRingSecret"),
        },
    },
    "test_launch_queue.py::test_g1_what_waited_for_its_turn_for_hours_is_tried_for_hours_all_the_same": {
        "LaunchFunction": {
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-launch"),
            ("sqs:ChangeMessageVisibility", "LaunchQueue.Arn"),
            ("sqs:SendMessage", "LaunchDeadLetterQueue.Arn"),
        },
    },
    "test_launch_repeats.py::test_g2_a_large_request_that_cannot_be_kept_starts_nothing": {
        "LaunchFunction": {
            ("s3:PutObject", "${PayloadBucket.Arn}/launches/*"),
        },
    },
    "test_notify.py::test_g8_of_large_questions_the_event_has_the_ids_and_the_bucket_all": {
        "WorkerFunction": {
            ("s3:PutObject", "${PayloadBucket.Arn}/runs/*"),
        },
    },
    "test_query.py::test_g10_each_route_makes_the_same_few_calls_however_large_the_ledger": {
        "QueryFunction": {
            ("dynamodb:GetItem", "LaunchesTable.Arn"),
            ("dynamodb:GetItem", "RunsTable.Arn"),
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-launch"),
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-outcome"),
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-thread"),
            ("s3:GetObject", "${PayloadBucket.Arn}/runs/*"),
        },
    },
    "test_reconcile_events.py::test_g8_a_bus_that_takes_nothing_is_tried_again_until_it_does": {
        "WorkerFunction": {
            ("events:PutEvents", "EventBus.Arn"),
        },
    },
    "test_reconcile_faults.py::test_g1_a_payload_that_cannot_be_stored_leaves_the_run_as_it_was": {
        "WorkerFunction": {
            ("s3:PutObject", "${PayloadBucket.Arn}/runs/*"),
        },
    },
    "test_reconcile_misses.py::test_g1_a_run_is_lost_after_three_misses_over_half_an_hour": {
        "SweepFunction": {
            ("dynamodb:UpdateItem", "RunsTable.Arn"),
        },
        "WorkerFunction": {
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-outcome"),
        },
    },
    "test_reconcile_launches.py::test_g2_a_large_request_is_read_back_to_start_over": {
        "WorkerFunction": {
            ("dynamodb:Query", "${RunsTable.Arn}/index/by-launch"),
            ("dynamodb:UpdateItem", "RunsTable.Arn"),
            ("s3:GetObject", "${PayloadBucket.Arn}/launches/*"),
            ("secretsmanager:GetSecretValue", "KeyRingSecret"),
            ("secretsmanager:GetSecretValue", "LangGraphApiKeySecret"),
        },
    },
    "test_rotation.py::test_g5_neither_a_rotation_nor_a_command_tells_a_key": {
        "RotateFunction": {
            ("secretsmanager:DescribeSecret", "KeyRingSecret"),
            ("secretsmanager:GetSecretValue", "KeyRingSecret"),
            ("secretsmanager:PutSecretValue", "KeyRingSecret"),
            ("secretsmanager:UpdateSecretVersionStage", "KeyRingSecret"),
        },
    },
    "test_webhook_bodies.py::test_a_trimmed_body_of_a_launch_that_is_gone_is_202_and_makes_none": {
        "WebhookFunction": {
            ("dynamodb:UpdateItem", "LaunchesTable.Arn"),
        },
    },
    "test_unconfirmed.py::test_g11_the_launcher_keeps_both_where_a_later_delivery_was_recorded_before_the_kept_one": {
        "LaunchFunction": {
            ("s3:PutObject", "${PayloadBucket.Arn}/runs/*"),
        },
    },
}
