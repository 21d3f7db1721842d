/* routes.c - every path that Cordon answers, on which listeners, with which limits */
#include "graph.h"

#include "admin/accept.h"
#include "admin/access.h"
#include "admin/arguments.h"
#include "admin/backup.h"
#include "admin/bulk.h"
#include "admin/commands.h"
#include "admin/enrollments.h"
#include "admin/events.h"
#include "admin/leave.h"
#include "admin/migration.h"
#include "admin/nanomdm.h"
#include "admin/renewals.h"
#include "admin/status.h"
#include "mdm/crl.h"
#include "mdm/device.h"
#include "mdm/enroll.h"
#include "mdm/message.h"
#include "mdm/scep.h"

#define JSON_MAX 65536u
#define COMMAND_BODY_MAX (16u << 20)

const struct http_route graph_routes[] = {
	/* devices: DESIGN "Devices" */
	{ "/enroll", false, HTTP_GET | HTTP_POST, HTTP_DEVICE, MACHINE_BODY_MAX, NULL,
		enroll_handle },
	{ "/scep", false, HTTP_GET | HTTP_POST, HTTP_DEVICE, SCEP_BODY_MAX, NULL, scep_handle },
	{ "/checkin", false, HTTP_PUT, HTTP_DEVICE, 0, device_limit, device_handle },
	{ "/mdm", false, HTTP_PUT, HTTP_DEVICE, 0, device_limit, device_handle },
	{ "/crl", false, HTTP_GET, HTTP_DEVICE, 0, NULL, crl_handle },
	{ "/crl/", true, HTTP_GET, HTTP_DEVICE, 0, NULL, crl_handle },
	{ "/version", false, HTTP_GET, HTTP_DEVICE | HTTP_CONTROL, 0, NULL, version_handle },

	/* administrators */
	{ "/v1/status", false, HTTP_GET, HTTP_CONTROL, 0, NULL, status_handle },
	{ "/v1/steps", false, HTTP_GET, HTTP_CONTROL, 0, NULL, steps_handle },
	{ "/v1/accept-topic", false, HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL, accept_topic_handle },
	{ "/v1/accept-server-name", false, HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL,
		accept_name_handle },
	{ "/v1/reload", false, HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL, reload_handle },
	{ "/v1/events", false, HTTP_GET, HTTP_CONTROL, 0, NULL, events_handle },
	{ "/v1/backup", false, HTTP_POST | HTTP_GET | HTTP_DELETE, HTTP_CONTROL, JSON_MAX, NULL,
		backup_handle },
	{ "/v1/enrollments", false, HTTP_GET, HTTP_CONTROL, 0, NULL, enrollments_list },
	{ "/v1/bulk", false, HTTP_POST, HTTP_CONTROL, COMMAND_BODY_MAX, NULL, bulk_handle },
	{ "/v1/bulk/", true, HTTP_GET, HTTP_CONTROL, 0, NULL, bulk_one_handle },
	{ "/v1/commands", false, HTTP_GET, HTTP_CONTROL, 0, NULL, arguments_list_handle },
	{ "/v1/commands/", true, HTTP_GET, HTTP_CONTROL, 0, NULL, arguments_one_handle },
	{ "/v1/release/", true, HTTP_POST | HTTP_DELETE, HTTP_CONTROL, JSON_MAX, NULL,
		leave_release_handle },
	{ "/v1/enrollments/", true, HTTP_GET | HTTP_POST | HTTP_DELETE, HTTP_CONTROL,
		COMMAND_BODY_MAX, NULL, enrollments_one },
	{ "/v1/enroll-links", false, HTTP_GET | HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL,
		links_handle },
	{ "/v1/enroll-links/", true, HTTP_DELETE, HTTP_CONTROL, JSON_MAX, NULL, links_one },
	{ "/v1/renewals/resume", false, HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL,
		renewals_resume_handle },
	{ "/v1/enqueue/", true, HTTP_PUT | HTTP_POST, HTTP_CONTROL, COMMAND_BODY_MAX, NULL,
		commands_enqueue_handle },
	{ "/v1/push/", true, HTTP_GET | HTTP_PUT | HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL,
		commands_push_handle },
	{ "/v1/pushcert", false, HTTP_GET | HTTP_PUT, HTTP_CONTROL, JSON_MAX, NULL,
		nanomdm_pushcert_handle },
	{ "/v1/escrowkeyunlock", false, HTTP_POST, HTTP_CONTROL, JSON_MAX, NULL,
		nanomdm_escrow_handle },
	{ "/migration", false, HTTP_PUT | HTTP_POST, HTTP_CONTROL, MESSAGE_CHECKIN_MAX, NULL,
		migration_take_handle },
	{ "/v1/migration", false, HTTP_GET | HTTP_POST, HTTP_CONTROL, MIGRATION_JSON_MAX, NULL,
		migration_handle },
	{ "/v1/adopt", false, HTTP_GET | HTTP_POST | HTTP_DELETE, HTTP_CONTROL, JSON_MAX, NULL,
		adopt_handle },

	/* who watches over the server */
	{ "/metrics", false, HTTP_GET, HTTP_METRICS, 0, NULL, metrics_handle },

	/* services that ask about a device */
	{ "/access", false, HTTP_GET, HTTP_GATE | HTTP_CONTROL, 0, NULL, access_handle },
};
const size_t graph_route_count = sizeof(graph_routes) / sizeof(graph_routes[0]);
