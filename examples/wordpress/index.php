<?php echo "Any page";
