// Swagger UI for the OpenAPI document named in the address (?of=/api/lead/openapi.json), ours by default.
const named = new URLSearchParams(location.search).get("of") ?? "/openapi.json";
const own = new URL(named, location.origin);
SwaggerUIBundle({
  dom_id: "#docs",
  url: own.origin === location.origin ? own.pathname : "/openapi.json",
  deepLinking: true,
  persistAuthorization: false,
});
