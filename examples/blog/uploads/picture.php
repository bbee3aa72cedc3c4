<?php echo "never run";
