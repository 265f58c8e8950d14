"""The class of the guide that external operators start from; nothing but its imports is ours."""

# ruff: noqa: F841, I001, W291, W293
# fmt: off
from typing import Any
from pathlib import Path
from interact.external import (
    Operator, 
    ExternalRunHandle, 
    ExternalRunStatus, 
    OperatorResult
)
from interact.external import RunHandle
from external.drivers import my_api_client

class MyCustomOperator(Operator):
    
    def prepare_run(self, run: RunHandle, task: Any) -> ExternalRunHandle:
        """
        Step 1: Setup the execution environment.
        Create directories, write config files, etc.
        """
        # Create a directory for this specific task execution
        task_dir = run.root_path / "tasks" / task.task_id
        task_dir.mkdir(parents=True, exist_ok=True)
        
        # Return initial handle
        return ExternalRunHandle(
            task_id=task.task_id,
            operator_type="MyCustomOperator",
            status=ExternalRunStatus.CREATED,
            relative_path=task_dir.relative_to(run.root_path),
            operator_data={"params": task.custom_parameters}
        )

    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """
        Step 2: Submit to external API.
        """
        # Example: call external API
        external_id = my_api_client.submit_job(
            params=handle.operator_data["params"]
        )
        
        # Update handle with new status and external ID
        handle.external_id = external_id
        handle.status = ExternalRunStatus.SUBMITTED
        return handle

    def check_status(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """
        Step 3: Poll for updates.
        """
        if not handle.external_id:
            return handle
            
        status_response = my_api_client.get_status(handle.external_id)
        
        # Map external status to MatterStack status
        if status_response == "DONE":
            handle.status = ExternalRunStatus.COMPLETED
        elif status_response == "ERROR":
            handle.status = ExternalRunStatus.FAILED
        elif status_response == "PROCESSING":
            handle.status = ExternalRunStatus.RUNNING
            
        return handle

    def collect_results(self, handle: ExternalRunHandle) -> OperatorResult:
        """
        Step 4: Download and parse results.
        """
        # Define where to save results
        output_dir = handle.relative_path  # We stored this in prepare_run
        
        # Fetch results
        data = my_api_client.get_results(handle.external_id)
        
        return OperatorResult(
            task_id=handle.task_id,
            status=handle.status,
            data=data, # Structured data
            files={"report": Path("report.pdf")} # Paths to downloaded files
        )
