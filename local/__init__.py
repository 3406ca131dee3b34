"""The whole stack on one machine: template.yaml's functions behind HTTP, moto as AWS, a real LangGraph server."""
