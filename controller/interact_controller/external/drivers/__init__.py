"""What speaks to other systems, one module for each; see `interact_controller.external.driver`."""
